"""The numbers that the TypeScript tests are pinned to, and the programs that made them."""
