//! Tests of decode as a whole. Packets are built in code; `golden` also reads the corpus where it is there.

mod fragments;
mod golden;
mod hostile;
mod oracle;
mod packets;
mod stacks;
