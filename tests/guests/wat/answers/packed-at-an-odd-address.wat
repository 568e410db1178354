;; The answer is at an odd address. Stopped by the bounds of an answer.
(func $evaluate-packed (param $request i32) (param $length i32) (result i32)
  (i32.const 1025))
