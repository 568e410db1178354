;; It defines a resource with a destructor. Stopped when it is loaded: it lacks the exports of the contract.
(component
  (core module $m (func (export "d") (param i32) (loop (br 0))))
  (core instance $i (instantiate $m))
  (type $r (resource (rep i32) (dtor (core func $i "d"))))
  (export "r" (type $r)))
