;; It initialises a table from a segment that it dropped. Stopped when it is loaded: the snapshot refuses the
;; instruction.
(table $t 4 funcref)
(type $none (func))
(type $one (func (param i32)))
(func $f)
(elem (table $t) (i32.const 0) func $f)
(elem $e func $f)
(func $evaluate (result i32)
  (elem.drop $e) (table.init $t $e (i32.const 0) (i32.const 0) (i32.const 1))
  (global.get $clean))
