;; Memory that another instance of the pool wrote: each decision fills 16 MiB, and looks for what is left. Stopped by
;; the fresh or reset instance of each decision.
(memory $memory 256)
(func $evaluate (result i32)
  (local $at i32)
  (local.set $at (i32.const 131072))
  (loop $next
    (if (i64.ne (i64.load (local.get $at)) (i64.const 0)) (then (return (global.get $stale))))
    (br_if $next
      (i32.lt_u
        (local.tee $at (i32.add (local.get $at) (i32.const 8)))
        (i32.const 16777216))))
  (memory.fill (i32.const 131072) (i32.const 255) (i32.const 16646144))
  (global.get $clean))
