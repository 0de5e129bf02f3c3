//! IEEE 754 binary32 and binary64 arithmetic as the F and D extensions define it.
