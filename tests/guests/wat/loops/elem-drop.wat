;; A storm of `elem.drop`. Stopped when it is loaded: the snapshot refuses the instruction.
(table $table 16 funcref)
(func $f)
(elem $functions func $f)
(func $evaluate (result i32)
  (loop $forever
    (elem.drop $functions)
    (br $forever))
  (global.get $clean))
