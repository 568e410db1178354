;; It divides the least integer by -1. Stopped by a trap.
(func $evaluate (result i32)
  (drop (i32.div_s (i32.const 0x80000000) (i32.sub (i32.load (i32.const 2048)) (i32.const 1))))
  (global.get $clean))
