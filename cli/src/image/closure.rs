//! Which packages an image needs: its own, all essential ones, and what these depend on.
//!
//! Alternatives are decided as apt does for a fresh system: the first that is there. A
//! virtual package is taken from what is already chosen, else from the provider with the
//! higher priority, else from the first by name. Recommendations are not followed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use anyhow::{Context, Result, bail};

use super::index::{Entry, Index};
use super::lock::Lock;
use super::recipe::{Images, Seeds};
use super::version::{compare, satisfies};

/// The newest version of every package, and who provides what.
pub struct Archive<'a> {
    date: &'a str,
    packages: BTreeMap<&'a str, Entry<'a>>,
    providers: BTreeMap<&'a str, Vec<(&'a str, Option<&'a str>)>>,
}

/// One alternative of a dependency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wanted<'a> {
    name: &'a str,
    version: Option<(&'a str, &'a str)>,
}

impl<'a> Archive<'a> {
    /// Orders the index for look-ups.
    pub fn new(index: &'a Index) -> Self {
        let mut packages: BTreeMap<&str, Entry<'_>> = BTreeMap::new();
        for entry in index.entries() {
            let older = packages
                .get(entry.name)
                .is_some_and(|known| compare(known.version, entry.version).is_ge());
            if !older {
                packages.insert(entry.name, entry);
            }
        }
        let mut providers: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for entry in packages.values() {
            for wanted in relations(entry.provides).flatten() {
                let version = wanted.version.map(|(_, version)| version);
                providers
                    .entry(wanted.name)
                    .or_default()
                    .push((entry.name, version));
            }
        }
        for list in providers.values_mut() {
            list.sort_by_key(|(name, _)| {
                (
                    !packages.get(name).is_some_and(|entry| entry.preferred),
                    *name,
                )
            });
        }
        Self {
            date: &index.date,
            packages,
            providers,
        }
    }

    /// A lock of all images.
    ///
    /// # Errors
    /// If a package is not in the archive, or two that are needed exclude each other.
    pub fn lock(&self, images: &Images) -> Result<Lock> {
        let mut lists = BTreeMap::new();
        let mut pinned = BTreeMap::new();
        for (image, seeds) in &images.images {
            let names = self
                .resolve(seeds)
                .with_context(|| format!("image {image}"))?;
            for name in &names {
                if let Some(entry) = self.packages.get(name) {
                    pinned.insert(*name, entry.pin()?);
                }
            }
            let names = names.into_iter().map(str::to_owned).collect();
            lists.insert(image.clone(), names);
        }
        Ok(Lock {
            version: super::lock::VERSION,
            suite: images.suite.clone(),
            architecture: images.architecture.clone(),
            date: self.date.to_owned(),
            replaces: None,
            images: lists,
            packages: pinned.into_values().collect(),
        })
    }

    /// The packages of one image, sorted.
    fn resolve(&self, seeds: &Seeds) -> Result<BTreeSet<&'a str>> {
        let mut chosen = BTreeSet::new();
        let mut queue = VecDeque::new();
        let mut choose = |name: &'a str, queue: &mut VecDeque<&'a str>| {
            if chosen.insert(name) {
                queue.push_back(name);
            }
        };
        for pattern in &seeds.packages {
            choose(self.seed(pattern)?, &mut queue);
        }
        if !seeds.resolve {
            return Ok(chosen);
        }
        for entry in self.packages.values().filter(|entry| entry.essential) {
            choose(entry.name, &mut queue);
        }
        // Each package enters the queue once, so this ends.
        while let Some(name) = queue.pop_front() {
            let Some(entry) = self.packages.get(name) else {
                continue;
            };
            for group in entry.depends.iter().flat_map(|field| relations(field)) {
                let group: Vec<_> = group.collect();
                let without = |name: &str| seeds.without.iter().any(|other| other == name);
                if group.iter().any(|wanted| without(wanted.name))
                    || group.iter().any(|wanted| self.is_met(wanted, &chosen))
                {
                    continue;
                }
                let found = group.iter().find_map(|wanted| self.candidate(wanted));
                let Some(found) = found else {
                    bail!("{name} needs {group:?}, which the archive does not have");
                };
                if chosen.insert(found) {
                    queue.push_back(found);
                }
            }
        }
        self.check_conflicts(&chosen)?;
        Ok(chosen)
    }

    /// The package that a seed names; with a `*`, the newest one that fits.
    fn seed(&self, pattern: &str) -> Result<&'a str> {
        let missing = || format!("the archive has no package {pattern}");
        let Some((start, end)) = pattern.split_once('*') else {
            let entry = self.packages.get(pattern);
            return Ok(entry.with_context(missing)?.name);
        };
        self.packages
            .values()
            .filter(|entry| {
                entry.name.len() >= start.len() + end.len()
                    && entry.name.starts_with(start)
                    && entry.name.ends_with(end)
            })
            .max_by(|a, b| compare(a.version, b.version).then_with(|| a.name.cmp(b.name)))
            .map(|entry| entry.name)
            .with_context(missing)
    }

    fn is_met(&self, wanted: &Wanted<'_>, chosen: &BTreeSet<&str>) -> bool {
        let real = chosen.contains(wanted.name)
            && self
                .packages
                .get(wanted.name)
                .is_some_and(|entry| wanted.fits(Some(entry.version)));
        real || self
            .providers_of(wanted)
            .any(|provider| chosen.contains(provider))
    }

    fn candidate(&self, wanted: &Wanted<'_>) -> Option<&'a str> {
        self.packages
            .get(wanted.name)
            .filter(|entry| wanted.fits(Some(entry.version)))
            .map(|entry| entry.name)
            .or_else(|| self.providers_of(wanted).next())
    }

    fn providers_of(&self, wanted: &Wanted<'_>) -> impl Iterator<Item = &'a str> {
        let list = self.providers.get(wanted.name).into_iter().flatten();
        list.filter(|(_, version)| wanted.fits(*version))
            .map(|(name, _)| *name)
    }

    /// Two packages that exclude each other by name cannot be in one image.
    fn check_conflicts(&self, chosen: &BTreeSet<&str>) -> Result<()> {
        for name in chosen {
            let Some(entry) = self.packages.get(name) else {
                continue;
            };
            let fields = entry.conflicts.iter().flat_map(|field| relations(field));
            for wanted in fields.flatten() {
                let other = self.packages.get(wanted.name);
                if let Some(other) = other
                    && other.name != *name
                    && chosen.contains(other.name)
                    && wanted.fits(Some(other.version))
                {
                    bail!("{name} and {} exclude each other", other.name);
                }
            }
        }
        Ok(())
    }
}

impl Wanted<'_> {
    /// Whether a package of this version will do; a provider may have none, and then only
    /// fits where none is asked for (Debian policy 7.5).
    fn fits(&self, version: Option<&str>) -> bool {
        match (self.version, version) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some((relation, wanted)), Some(version)) => satisfies(version, relation, wanted),
        }
    }
}

/// A dependency field: groups, separated by commas, of alternatives, separated by bars
/// (Debian policy 7.1). What is restricted to an architecture does not occur in an index.
fn relations<'a>(field: &'a str) -> impl Iterator<Item = impl Iterator<Item = Wanted<'a>>> {
    field
        .split(',')
        .map(str::trim)
        .filter(|group| !group.is_empty())
        .map(|group| group.split('|').filter_map(alternative))
}

fn alternative(text: &str) -> Option<Wanted<'_>> {
    let text = text.trim();
    let end = text
        .find(|c: char| c.is_whitespace() || c == '(' || c == ':')
        .unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let inner = rest
        .split_once('(')
        .and_then(|(_, rest)| rest.split_once(')'))
        .map(|(inner, _)| inner.trim());
    let version = inner.map(|inner| {
        let end = inner
            .find(|c: char| !"<>=".contains(c))
            .unwrap_or(inner.len());
        let (relation, version) = inner.split_at(end);
        (relation, version.trim())
    });
    (!name.is_empty()).then_some(Wanted { name, version })
}

#[cfg(test)]
mod tests;
