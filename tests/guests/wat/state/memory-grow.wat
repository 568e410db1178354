;; A decision leaves a mark in the size of memory. Stopped by the fresh or reset instance of each decision.
(func $evaluate (result i32)
  (if (i32.gt_u (memory.size) (i32.const 2)) (then (return (global.get $stale))))
  (drop (memory.grow (i32.const 1)))
  (global.get $clean))
