//! The host without its Cargo feature `reset`, as the library is by default.

use portcullis_host::Pdp;
use portcullis_tests::guests;

#[test]
fn reset_instances_are_refused_with_the_feature_named() {
    let folder = std::env::temp_dir().join(format!("portcullis-reset-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let plugin = guests::component("tests/guests/hostile").unwrap();
    std::fs::write(folder.join("hostile.wasm"), plugin).unwrap();
    for (line, refused) in [
        ("", false),
        ("instances = \"fresh\"", false),
        ("instances = \"reset\"", true),
    ] {
        let file = folder.join("portcullis.toml");
        let text = format!(
            "[engine]\ncheck-resets-every = 16\n[[integration]]\nname = \"x\"\n{line}\n[[integration.plugin]]\ncomponent = \"hostile.wasm\"\nsettings = {{ behaviour = \"count\" }}\n"
        );
        std::fs::write(&file, text).unwrap();
        let read = Pdp::from_file(&file);
        assert_eq!(read.is_err(), refused, "{line}");
        if let Err(error) = read {
            let error = error.to_string();
            assert!(error.contains("5:"), "{error}");
            assert!(
                error.contains("needs the Cargo feature `reset` of portcullis-host"),
                "{error}"
            );
        }
    }
    std::fs::remove_dir_all(folder).unwrap();
}
