;; It converts a number beyond all integers. Stopped by a trap.
(func $evaluate (result i32)
  (drop (i64.trunc_f64_u (f64.const 1e300)))
  (global.get $clean))
