;; Its functions take and return nothing. Stopped when it is loaded, by the types of the contract.
(component
  (core module $m (func (export "f")))
  (core instance $i (instantiate $m))
  (func $f (canon lift (core func $i "f")))
  (instance $types)
  (instance $policy (export "configure" (func $f)) (export "evaluate" (func $f)))
  (export "portcullis:policy/types@0.2.0" (instance $types))
  (export "portcullis:policy/policy@0.2.0" (instance $policy)))
