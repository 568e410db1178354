//! The guest `echo`, which takes its requests as the records of the contract: what a plugin does that was
//! not written with portcullis-sdk.

use portcullis_guest_echo::Echo;

portcullis_sdk::export!(Echo);
