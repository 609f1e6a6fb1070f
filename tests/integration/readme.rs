//! The README shows what the program prints, and nothing else.

use crate::support::{package, run};

/// Before a block of output stands `<!-- output of: mailtap ARGUMENTS -->`; the block must be part of that output.
#[test]
fn blocks_of_output_are_what_the_program_prints() {
    let readme = std::fs::read_to_string(package().join("README.md")).unwrap();
    let mut compared = 0;
    for part in readme.split("<!-- output of: mailtap ").skip(1) {
        let (arguments, behind) = part.split_once(" -->").unwrap();
        let block = behind.split("```").nth(1).and_then(|block| block.split_once('\n')).unwrap().1;
        let ran = run(&arguments.split(' ').collect::<Vec<_>>());
        assert!(
            ran.stdout.contains(block),
            "mailtap {arguments} prints\n{}\n{}\nand the README shows\n{block}",
            ran.stdout,
            ran.stderr
        );
        compared += 1;
    }
    assert!(compared > 0, "the README shows no output");
}
