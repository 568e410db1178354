;; It fills 2^32 - 1 bytes. Stopped by a trap.
(func $evaluate (result i32)
  (memory.fill (i32.const 0) (i32.const 1) (i32.const -1))
  (global.get $clean))
