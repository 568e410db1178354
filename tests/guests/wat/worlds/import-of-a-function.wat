;; It imports a function. Stopped when it is loaded: a plugin imports nothing.
(component (import "f" (func)))
