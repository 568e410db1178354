;; A storm of indirect calls. Stopped by `deadline`.
(table $table 1 funcref)
(type $none (func))
(func $f)
(elem (i32.const 0) $f)
(func $evaluate (result i32)
  (loop $forever
    (call_indirect $table (type $none) (i32.const 0))
    (br $forever))
  (global.get $clean))
