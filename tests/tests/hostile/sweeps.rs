//! Damaged files, of which there are too many for a name each.

use crate::frame::{Form, component, module};
use crate::neighbours::{self, HOSTILE, NOW};
use libtest_mimic::Trial;
use portcullis_host::{ActionClass, Instances, Plugin, PluginSource};
use portcullis_tests::guests;

/// Files with one flipped bit that are tried.
const FLIPS: usize = 300;

/// A test for files that are cut short, and one for files with a flipped bit.
pub(crate) fn trials() -> Vec<Trial> {
    let trial = |name: &str, run: fn() -> Result<(), String>| {
        Trial::test(name, move || run().map_err(Into::into))
    };
    vec![
        trial("bytes::cut-anywhere", cut_anywhere),
        trial("bytes::with-a-flipped-bit", with_a_flipped_bit),
    ]
}

fn whole() -> Vec<u8> {
    component(&module("", Form::Packed), Form::Packed)
}

fn cut_anywhere() -> Result<(), String> {
    let whole = whole();
    for length in (0..whole.len()).step_by(7).chain([whole.len() - 1]) {
        let cut = whole.get(..length).unwrap_or_default();
        if let Ok(plugin) = Plugin::load(
            &PluginSource::new(cut)
                .compile_in_process()
                .limits(guests::patient()),
        ) {
            return Err(format!("{length} of {} bytes: {plugin:?}", whole.len()));
        }
    }
    neighbours::unharmed()
}

/// A flipped bit may leave a valid plugin: then it decides within its limits.
fn with_a_flipped_bit() -> Result<(), String> {
    let whole = whole();
    let mut seed = 1_u64;
    let mut loaded = 0;
    for _ in 0..FLIPS {
        // A linear congruential generator, so that every run flips the same bits.
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let at = usize::try_from(seed >> 20).unwrap_or_default() % whole.len();
        let mut flipped = whole.clone();
        if let Some(byte) = flipped.get_mut(at) {
            *byte ^= 1 << (seed >> 17 & 7);
        }
        let source = PluginSource::new(flipped)
            .compile_in_process()
            .limits(guests::patient())
            .resettable();
        let Ok(plugin) = Plugin::load(&source) else {
            continue;
        };
        loaded += 1;
        let request = neighbours::request(HOSTILE);
        for instances in [Instances::Fresh, Instances::Reset] {
            let evaluation = plugin.evaluate_in(instances, &request, ActionClass::Read, NOW);
            if evaluation.reset_failed {
                return Err(format!("byte {at}: a reset was not complete"));
            }
        }
    }
    // Many bits are in names and in data: if none is loaded, the test flips the wrong bits.
    match loaded > 0 && loaded < FLIPS {
        true => neighbours::unharmed(),
        false => Err(format!("{loaded} of {FLIPS} are loaded")),
    }
}
