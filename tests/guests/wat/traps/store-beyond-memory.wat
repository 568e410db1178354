;; It writes beyond its memory. Stopped by a trap.
(func $evaluate (result i32)
  (i64.store (i32.const -8) (i64.const -1))
  (global.get $clean))
