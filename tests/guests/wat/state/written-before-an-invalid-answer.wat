;; A decision leaves a mark and returns an address beyond memory. Stopped by the fresh or reset instance of each
;; decision.
(func $evaluate (result i32)
  (if (i32.load (i32.const 2048)) (then (return (global.get $stale))))
  (i32.store (i32.const 2048) (i32.const 1))
  (i32.const -4))
