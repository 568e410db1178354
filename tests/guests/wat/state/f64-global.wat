;; A decision leaves a mark in a global of type `f64`. Stopped by the fresh or reset instance of each decision.
(global $mark (mut f64) (f64.const 0))
(func $evaluate (result i32)
  (if (f64.ne (global.get $mark) (f64.const 0)) (then (return (global.get $stale))))
  (global.set $mark (f64.const -1.5))
  (global.get $clean))
