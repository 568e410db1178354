;; A storm of `table.fill` over the largest table. Stopped when it is loaded: the snapshot refuses the instruction.
(table $table 4096 funcref)
(func $evaluate (result i32)
  (loop $forever
    (table.fill $table (i32.const 0) (ref.null func) (i32.const 4096))
    (br $forever))
  (global.get $clean))
