"""Values and rules: pure, without input, output or a clock."""
