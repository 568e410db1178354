;; A decision leaves a mark and traps, so that no end of it is clean. Stopped by the fresh or reset instance of each
;; decision.
(func $evaluate (result i32)
  (if (i32.load (i32.const 2048)) (then (return (global.get $stale))))
  (i32.store (i32.const 2048) (i32.const 1))
  (unreachable))
