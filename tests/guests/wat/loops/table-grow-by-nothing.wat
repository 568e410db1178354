;; A storm of `table.grow` by no element, each a call into the host. Stopped when it is loaded: the snapshot refuses the
;; instruction.
(table $table 16 funcref)
(func $evaluate (result i32)
  (loop $forever
    (drop (table.grow $table (ref.null func) (i32.const 0)))
    (br $forever))
  (global.get $clean))
