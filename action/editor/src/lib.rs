//! A detections repo in an editor: diagnostics while typing, hover and completion, over the Language Server Protocol.
