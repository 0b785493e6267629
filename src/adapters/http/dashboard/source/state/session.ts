/** Whether the server wants a token that this browser has not given. */

import { Cell } from "./cell.ts";

export const isSignedOut = new Cell(false);
