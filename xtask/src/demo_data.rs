//! The demo's data: the countries of the world, from the npm package `world-countries`, one document each.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::BufReader;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, Result, bail};
use indicatif::ProgressBar;
use serde::Deserialize;
use serde_json::{Number, Value, json};
use ureq::typestate::WithBody;
use ureq::{Agent, RequestBuilder};

use crate::process::say;
use crate::workspace::Workspace;

/// How many requests are in flight: enough to hide their latency, and no burden for one workerd.
const CONCURRENCY: usize = 8;

/// Lists every country in one document. It is written last, so its presence says that all the others are there; without
/// languages, that they are there as an earlier Blaze wrote them.
const INDEX: &str = "atlas/index";

/// What `world-countries` does not know.
const POPULATION: &str = include_str!("demo_data/population.csv");

/// What we take of a country in `world-countries`.
#[derive(Deserialize)]
struct Country {
    name: Names,
    cca2: String,
    cca3: String,
    /// Null where it is disputed.
    independent: Option<bool>,
    #[serde(rename = "unMember")]
    un_member: bool,
    tld: Vec<String>,
    capital: Vec<String>,
    region: String,
    subregion: String,
    /// By ISO 639-3 code.
    languages: BTreeMap<String, String>,
    /// By ISO 4217 code.
    currencies: BTreeMap<String, Currency>,
    /// Degrees.
    latlng: [Number; 2],
    landlocked: bool,
    borders: Vec<String>,
    /// km²; negative where it is not known.
    area: Number,
}

#[derive(Deserialize)]
struct Names {
    common: String,
    official: String,
}

#[derive(Deserialize)]
struct Currency {
    name: String,
    symbol: String,
}

impl Country {
    fn path(&self) -> String {
        format!("countries/{}", self.cca3)
    }

    fn document(&self) -> Value {
        let currency = |(code, currency): (&String, &Currency)| json!({"code": code, "name": currency.name, "symbol": currency.symbol});
        let known_area = self.area.as_f64().is_some_and(|area| area >= 0.0);
        json!({
            "name": self.name.common,
            "official": self.name.official,
            "capital": self.capital,
            "region": self.region,
            "subregion": self.subregion,
            "languages": self.languages.values().collect::<Vec<_>>(),
            "population": population(&self.cca3),
            "currencies": self.currencies.iter().map(currency).collect::<Vec<_>>(),
            "area": known_area.then_some(&self.area),
            "borders": self.borders,
            "latlng": {"$geopoint": self.latlng},
            "landlocked": self.landlocked,
            "independent": self.independent,
            "unMember": self.un_member,
            "cca2": self.cca2,
            "cca3": self.cca3,
            "tld": self.tld,
        })
    }
}

/// How many people live in a country, if that is known.
fn population(cca3: &str) -> Option<u64> {
    let (_, population) = POPULATION
        .lines()
        .filter_map(|line| line.split_once(','))
        .find(|(code, _)| *code == cca3)?;
    population.parse().ok()
}

/// Writes every country to `countries/{cca3}`, and their list to `atlas/index`, unless that list is there already.
/// Documents that exist stay as they are, but for the population that an earlier Blaze did not write.
///
/// # Errors
/// If the data is not installed, or the server refuses a document.
pub(crate) fn load(workspace: &Workspace, base_url: &str, key: &str) -> Result<()> {
    let api = Api::new(base_url, key);
    if api.read(INDEX)?.is_some_and(|index| index["languages"].is_array()) {
        return Ok(());
    }
    let countries = read(workspace)?;
    say(format!("loading {} countries", countries.len()));
    let progress = ProgressBar::new(countries.len() as u64);
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(country) = countries.get(next.fetch_add(1, Ordering::Relaxed)) {
            let (path, document) = (country.path(), country.document());
            if !api.create(&path, &document)? {
                api.complete(&path, &document)?;
            }
            progress.inc(1);
        }
        Ok(())
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..CONCURRENCY).map(|_| scope.spawn(work)).collect();
        // The first error counts; the other workers go on, and all of it can be done again.
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().unwrap_or_else(|_| bail!("loading crashed")))
    })?;
    progress.finish_and_clear();
    api.replace(INDEX, &index(&countries))
}

/// All countries by name, as little of each as a list shows, and their languages.
fn index(countries: &[Country]) -> Value {
    let mut sorted: Vec<&Country> = countries.iter().collect();
    sorted.sort_by_key(|country| &country.name.common);
    let entry = |country: &&Country| json!({"id": country.cca3, "name": country.name.common, "region": country.region});
    let languages: BTreeSet<&String> =
        countries.iter().flat_map(|country| country.languages.values()).collect();
    json!({
        "countries": sorted.iter().map(entry).collect::<Vec<_>>(),
        "languages": languages,
    })
}

fn read(workspace: &Workspace) -> Result<Vec<Country>> {
    let path = workspace.node_modules().join("world-countries/countries.json");
    let file = File::open(&path).with_context(|| format!("reading {}", path.display()))?;
    serde_json::from_reader(BufReader::new(file))
        .with_context(|| format!("{} has another form", path.display()))
}

/// The server's public HTTP interface, as much of it as loading needs.
struct Api {
    agent: Agent,
    docs: String,
    authorization: String,
}

impl Api {
    fn new(base_url: &str, key: &str) -> Self {
        let agent = Agent::config_builder().http_status_as_error(false).build().into();
        let (docs, authorization) = (format!("{base_url}/v1/docs"), format!("Bearer {key}"));
        Self { agent, docs, authorization }
    }

    fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.docs)
    }

    /// The data of a document, if it exists.
    fn read(&self, path: &str) -> Result<Option<Value>> {
        let url = self.url(path);
        let request = self.agent.get(&url).header("Authorization", &self.authorization);
        let mut answer = request.call().with_context(|| format!("GET {url}"))?;
        match answer.status().as_u16() {
            200 => {
                let mut resource: Value = answer.body_mut().read_json()?;
                Ok(Some(resource["data"].take()))
            }
            404 => Ok(None),
            status => bail!(
                "GET {url} was answered with {status}: {}",
                answer.body_mut().read_to_string()?
            ),
        }
    }

    /// Creates a document; one that exists stays as it is. Returns whether it was created.
    fn create(&self, path: &str, data: &Value) -> Result<bool> {
        let request = self.signed(self.agent.put(self.url(path))).header("If-None-Match", "*");
        Ok(send(request, data, &[201, 412])? == 201)
    }

    /// Creates a document, or replaces it.
    fn replace(&self, path: &str, data: &Value) -> Result<()> {
        send(self.signed(self.agent.put(self.url(path))), data, &[200, 201]).map(drop)
    }

    fn signed(&self, request: RequestBuilder<WithBody>) -> RequestBuilder<WithBody> {
        request.header("Authorization", &self.authorization)
    }

    /// Gives a document that has no population that of `data`.
    fn complete(&self, path: &str, data: &Value) -> Result<()> {
        match self.read(path)? {
            Some(old) if old.get("population").is_none() => {
                let population = json!({"population": data["population"]});
                let request = self.signed(self.agent.patch(self.url(path)));
                send(request, &population, &[200, 404]).map(drop)
            }
            _ => Ok(()),
        }
    }
}

/// Sends JSON, and returns the answer's status, which must be one of those expected.
fn send(request: RequestBuilder<WithBody>, data: &Value, expected: &[u16]) -> Result<u16> {
    let what = match (request.method_ref(), request.uri_ref()) {
        (Some(method), Some(uri)) => format!("{method} {uri}"),
        _ => "a request".to_owned(),
    };
    let request = request.header("Prefer", "return=minimal");
    let mut answer = request.send_json(data).with_context(|| what.clone())?;
    // Read to the end in any case: that gives the connection back.
    let body = answer.body_mut().read_to_string()?;
    match answer.status().as_u16() {
        status if expected.contains(&status) => Ok(status),
        status => bail!("{what} was answered with {status}: {body}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Country, POPULATION, index, population};

    fn country(name: &str, code: &str) -> Country {
        serde_json::from_value(json!({
            "name": {"common": name, "official": "French Republic", "native": {}},
            "cca2": "FR", "cca3": code, "independent": null, "unMember": true, "tld": [".fr"],
            "capital": ["Paris"], "region": "Europe", "subregion": "Western Europe",
            "languages": {"fra": "French"}, "currencies": {"EUR": {"name": "Euro", "symbol": "€"}},
            "latlng": [46, 2.5], "landlocked": false, "borders": ["AND"], "area": 551695,
            "translations": {},
        }))
        .unwrap()
    }

    #[test]
    fn a_country_becomes_a_document_for_people() {
        let expected = json!({
            "name": "France", "official": "French Republic", "capital": ["Paris"],
            "region": "Europe", "subregion": "Western Europe", "languages": ["French"],
            "currencies": [{"code": "EUR", "name": "Euro", "symbol": "€"}], "population": 66_987_244,
            "area": 551695, "borders": ["AND"], "latlng": {"$geopoint": [46, 2.5]},
            "landlocked": false, "independent": null, "unMember": true,
            "cca2": "FR", "cca3": "FRA", "tld": [".fr"],
        });
        let france = country("France", "FRA");
        assert_eq!(france.document(), expected);
        assert_eq!(france.path(), "countries/FRA");
    }

    #[test]
    fn an_unknown_area_is_null() {
        let mut country = country("Svalbard", "SJM");
        country.area = (-1).into();
        assert_eq!(country.document()["area"], json!(null));
    }

    #[test]
    fn populations_are_known_by_code() {
        let people = ["CHN", "UNK", "ATA", "ZZZ"].map(population);
        assert_eq!(people, [Some(1_411_778_724), Some(1_845_300), Some(0), None]);
        assert_eq!(POPULATION.lines().count(), 1 + 250);
    }

    #[test]
    fn the_index_is_sorted_by_name() {
        let list = index(&[country("Zambia", "ZMB"), country("Albania", "ALB")]);
        let expected = json!([
            {"id": "ALB", "name": "Albania", "region": "Europe"},
            {"id": "ZMB", "name": "Zambia", "region": "Europe"},
        ]);
        assert_eq!(list["countries"], expected);
        assert_eq!(list["languages"], json!(["French"]));
    }
}
