;; The function after each answer never ends. Stopped by `deadline`.
(func $post-return (param i32) (loop $forever (br $forever)))
