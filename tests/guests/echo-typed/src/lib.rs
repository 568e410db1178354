//! The guest `echo` with requests in the contract's records, as for a plugin without portcullis-sdk.

use portcullis_guest_echo::Echo;

portcullis_sdk::export!(Echo);
