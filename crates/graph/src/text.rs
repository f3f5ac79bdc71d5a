//! to be written by plan's author
