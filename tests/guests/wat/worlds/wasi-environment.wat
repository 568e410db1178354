;; It imports the environment from WASI. Stopped when it is loaded: a plugin imports nothing.
(component
  (import "wasi:cli/environment@0.2.0" (instance
    (export "get-environment" (func (result (list (tuple string string))))))))
