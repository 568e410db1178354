;; It imports files from WASI. Stopped when it is loaded: a plugin imports nothing.
(component
  (import "wasi:filesystem/preopens@0.2.0" (instance
    (export "descriptor" (type (sub resource))))))
