use super::*;

const INDEX: &str = "\
Package: base
Version: 1
Essential: yes
Pre-Depends: libc (>= 2)

Package: libc
Version: 2.1-1

Package: libc
Version: 2.0-1

Package: app
Version: 1
Depends: none-such | shell:any (>= 2), mta, extra

Package: shell
Version: 3
Conflicts: old-shell

Package: old-shell
Version: 1

Package: a-mta
Version: 1
Provides: mta

Package: z-mta
Version: 1
Priority: important
Provides: mta (= 5)
Depends: libc, app

Package: extra
Version: 1
Depends: base

Package: unrelated
Version: 1

Package: linux-image-6.12.94-riscv64
Version: 6.12.94-1

Package: linux-image-6.12.107-riscv64
Version: 6.12.107-1
";

fn seeds(packages: &[&str], resolve: bool, without: &[&str]) -> Seeds {
    let own = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
    Seeds {
        packages: own(packages),
        resolve,
        without: own(without),
    }
}

fn resolve(text: &str, seeds: &Seeds) -> Result<Vec<String>> {
    let index = Index::of_text(text);
    let archive = Archive::new(&index);
    let names = archive.resolve(seeds)?;
    Ok(names.into_iter().map(str::to_owned).collect())
}

#[test]
fn everything_that_is_needed_comes_and_nothing_else() {
    let names = resolve(INDEX, &seeds(&["app"], true, &[])).unwrap();
    // The provider with the higher priority, and the essential package with its libc.
    assert_eq!(names, ["app", "base", "extra", "libc", "shell", "z-mta"]);
}

#[test]
fn a_chosen_provider_is_kept() {
    let names = resolve(INDEX, &seeds(&["app", "a-mta"], true, &[])).unwrap();
    assert!(names.contains(&"a-mta".to_owned()) && !names.contains(&"z-mta".to_owned()));
}

#[test]
fn what_an_image_declines_is_left_out() {
    let names = resolve(INDEX, &seeds(&["app"], true, &["mta", "extra"])).unwrap();
    assert_eq!(names, ["app", "base", "libc", "shell"]);
}

#[test]
fn without_resolving_there_are_the_seeds_alone() {
    let names = resolve(INDEX, &seeds(&["linux-image-6.12.*-riscv64"], false, &[])).unwrap();
    assert_eq!(
        names,
        ["linux-image-6.12.107-riscv64"],
        "107 is newer than 94"
    );
}

#[test]
fn what_cannot_be_had_is_named() {
    let text = INDEX.replace("Version: 3", "Version: 1");
    let error = resolve(&text, &seeds(&["app"], true, &[])).unwrap_err();
    assert!(format!("{error:#}").contains("app needs"), "{error:#}");
    assert!(resolve(INDEX, &seeds(&["nothing"], true, &[])).is_err());
    let error = resolve(INDEX, &seeds(&["app", "old-shell"], true, &[])).unwrap_err();
    assert!(error.to_string().contains("exclude each other"), "{error}");
}

#[test]
fn relations_are_read_as_policy_has_them() {
    let field = "a, b (>= 1:2.3) | c:any(<<4) , ,d";
    let groups: Vec<Vec<_>> = relations(field).map(Iterator::collect).collect();
    let wanted = |name, version| Wanted { name, version };
    assert_eq!(
        groups,
        [
            vec![wanted("a", None)],
            vec![
                wanted("b", Some((">=", "1:2.3"))),
                wanted("c", Some(("<<", "4")))
            ],
            vec![wanted("d", None)],
        ]
    );
}
