;; It imports a clock and randomness from WASI. Stopped when it is loaded: a plugin imports nothing.
(component
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance (export "now" (func (result u64)))))
  (import "wasi:random/random@0.2.0" (instance (export "get-random-u64" (func (result u64))))))
