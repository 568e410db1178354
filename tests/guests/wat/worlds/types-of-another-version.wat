;; It exports its types in another version of the contract. Stopped when it is loaded.
(component
  (instance $i)
  (export "portcullis:policy/policy@0.2.0" (instance $i))
  (export "portcullis:policy/types@0.3.0" (instance $i)))
