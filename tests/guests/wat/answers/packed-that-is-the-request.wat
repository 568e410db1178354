;; The answer is the request. Stopped by the rules of a verdict.
(func $evaluate-packed (param $request i32) (param $length i32) (result i32)
  (i32.store (i32.const 2048) (local.get $request))
  (i32.store (i32.const 2052) (local.get $length))
  (i32.const 2048))
