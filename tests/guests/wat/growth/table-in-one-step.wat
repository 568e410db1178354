;; A table grows by a billion elements. Stopped when it is loaded: the snapshot refuses `table.grow`.
(table $table 1 funcref)
(func $evaluate (result i32)
  (drop (table.grow $table (ref.null func) (i32.const 1000000000)))
  (global.get $clean))
