;; The answer is empty. Stopped by the rules of a verdict.
(func $evaluate-packed (param $request i32) (param $length i32) (result i32)
  (i32.const 2048))
