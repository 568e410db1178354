;; The policy is a function, not an interface. Stopped when it is loaded.
(component
  (core module $m (func (export "f")))
  (core instance $i (instantiate $m))
  (func $f (canon lift (core func $i "f")))
  (instance $types)
  (export "portcullis:policy/types@0.2.0" (instance $types))
  (export "policy" (func $f)))
