;; It fills beyond its memory. Stopped by a trap.
(func $evaluate (result i32)
  (memory.fill (i32.const 131000) (i32.const 1) (i32.const 1000))
  (global.get $clean))
