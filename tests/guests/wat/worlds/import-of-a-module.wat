;; It imports a core module. Stopped when it is loaded: a plugin imports nothing.
(component (import "m" (core module)))
