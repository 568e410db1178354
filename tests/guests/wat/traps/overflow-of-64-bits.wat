;; It divides the least integer of 64 bits by -1. Stopped by a trap.
(func $evaluate (result i32)
  (drop (i64.div_s (i64.const 0x8000000000000000) (i64.sub (i64.load (i32.const 2048)) (i64.const 1))))
  (global.get $clean))
