;; A table grows by 2^32 - 1 elements. Stopped when it is loaded: the snapshot refuses `table.grow`.
(table $table 1 funcref)
(func $evaluate (result i32)
  (if (i32.ne (table.grow $table (ref.null func) (i32.const -1)) (i32.const -1))
    (then (return (global.get $stale))))
  (global.get $clean))
