;; It copies from beyond its memory. Stopped by a trap.
(func $evaluate (result i32)
  (memory.copy (i32.const 2048) (i32.const -16) (i32.const 32))
  (global.get $clean))
