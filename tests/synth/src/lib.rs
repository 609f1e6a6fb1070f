//! Dialogues to packets, and the truth beside them.
