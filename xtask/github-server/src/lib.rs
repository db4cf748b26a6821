//! A GitHub that keeps its state in memory and answers over HTTP: for tests of the Action, and for the demo.
