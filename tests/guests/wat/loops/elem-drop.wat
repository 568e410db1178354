;; A storm of `elem.drop`. Stopped by `deadline`.
(table $table 16 funcref)
(func $f)
(elem $functions func $f)
(func $evaluate (result i32)
  (loop $forever
    (elem.drop $functions)
    (br $forever))
  (global.get $clean))
