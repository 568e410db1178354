;; A table grows by one element without end. Stopped when it is loaded: the snapshot refuses `table.grow`.
(table $table 1 funcref)
(func $evaluate (result i32)
  (loop $more
    (br_if $more (i32.ne (table.grow $table (ref.null func) (i32.const 1)) (i32.const -1))))
  (global.get $clean))
