;; The start function grows a table by a million elements. Stopped when it is loaded: the snapshot refuses `table.grow`.
(table $table 1 funcref)
(func $start (drop (table.grow $table (ref.null func) (i32.const 1000000))))
(start $start)
