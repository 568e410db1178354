;; Its policy exports nothing. Stopped when it is loaded: `configure` is missing.
(component
  (instance $i)
  (export "portcullis:policy/policy@0.2.0" (instance $i))
  (export "portcullis:policy/types@0.2.0" (instance $i)))
