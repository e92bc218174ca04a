//! Shares of activations that are set to zero while a model trains (Srivastava et al. 2014), each of which can be steered.
//!
//! As the talk's code has them: after the embedding, and for each group of layers on attention, in the middle of the
//! feed-forward part (`hidden`) and at its end (`output`).

use clap::ValueEnum;

/// Which layers have a dropout in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Grouping {
    /// The first third of the layers, the middle one, the last one: ten dropouts with that of the embedding
    Grouped,
    /// None: three dropouts a layer, and that of the embedding
    PerLayer,
}

/// Places within a layer.
const PLACES: [&str; 3] = ["attention", "hidden", "output"];
const GROUPS: [&str; 3] = ["first", "middle", "last"];

/// Those of one model.
#[derive(Clone, Debug)]
pub struct Dropouts {
    names: Vec<String>,
    /// As the names; the embedding's comes first.
    values: Vec<f64>,
    /// Group of each layer.
    groups: Vec<usize>,
}

/// Those within a layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OfLayer {
    /// Of the weights of attention.
    pub attention: f64,
    /// Of the hidden units of the feed-forward part.
    pub hidden: f64,
    /// Of what the feed-forward part adds.
    pub output: f64,
}

impl Dropouts {
    /// Those of a model of so many layers, all of them `start`.
    pub fn new(layers: usize, grouping: Grouping, start: f64) -> Self {
        let (groups, prefixes): (Vec<usize>, Vec<String>) = match grouping {
            Grouping::PerLayer => ((0..layers).collect(), (0..layers).map(|layer| format!("layer{layer}")).collect()),
            Grouping::Grouped => {
                // With two layers there is none in the middle.
                let present = match layers {
                    2 => vec![GROUPS[0], GROUPS[2]],
                    _ => GROUPS[..layers.min(3)].to_vec(),
                };
                let group = |layer: usize| layer * present.len() / layers;
                ((0..layers).map(group).collect(), present.iter().map(|name| (*name).to_owned()).collect())
            }
        };
        let within = prefixes.iter().flat_map(|prefix| PLACES.map(|place| format!("{prefix}_{place}_dropout")));
        let names: Vec<String> = ["embedding_dropout".to_owned()].into_iter().chain(within).collect();
        Self { values: vec![start; names.len()], names, groups }
    }

    /// All names.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// One of them by its name.
    pub fn get(&mut self, name: &str) -> Option<&mut f64> {
        let place = self.names.iter().position(|known| known == name)?;
        self.values.get_mut(place)
    }

    /// Sets all of them.
    pub fn fill(&mut self, value: f64) {
        self.values.fill(value);
    }

    /// All of them, by name.
    pub fn values(&self) -> impl Iterator<Item = (String, f64)> {
        self.names.iter().cloned().zip(self.values.iter().copied())
    }

    /// That of the embedding.
    pub fn embedding(&self) -> f64 {
        self.values[0]
    }

    /// Those of a layer.
    pub fn of_layer(&self, layer: usize) -> OfLayer {
        let from = 1 + PLACES.len() * self.groups[layer];
        let [attention, hidden, output] = [0, 1, 2].map(|place| self.values[from + place]);
        OfLayer { attention, hidden, output }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn there_are_ten_for_three_groups_of_layers_or_three_for_each_layer() {
        let mut grouped = Dropouts::new(6, Grouping::Grouped, 0.1);
        let names = "embedding_dropout first_attention_dropout first_hidden_dropout first_output_dropout \
                     middle_attention_dropout middle_hidden_dropout middle_output_dropout \
                     last_attention_dropout last_hidden_dropout last_output_dropout";
        assert_eq!(grouped.names().join(" "), names);
        *grouped.get("embedding_dropout").unwrap() = 0.5;
        *grouped.get("middle_hidden_dropout").unwrap() = 0.7;
        assert!(grouped.get("layer1_hidden_dropout").is_none());
        assert_eq!(grouped.embedding(), 0.5);
        assert_eq!(
            (0..6).map(|layer| grouped.of_layer(layer).hidden).collect::<Vec<_>>(),
            [0.1, 0.1, 0.7, 0.7, 0.1, 0.1]
        );

        let mut each = Dropouts::new(4, Grouping::PerLayer, 0.1);
        assert_eq!(each.names().len(), 13);
        *each.get("layer3_output_dropout").unwrap() = 0.2;
        assert_eq!(each.of_layer(3), OfLayer { attention: 0.1, hidden: 0.1, output: 0.2 });
    }

    #[test]
    fn few_layers_have_fewer_groups() {
        let named = |layers| Dropouts::new(layers, Grouping::Grouped, 0.0).names()[1..].join(" ");
        assert!(!named(1).contains("middle") && !named(1).contains("last"));
        assert!(!named(2).contains("middle") && named(2).contains("last_attention_dropout"));
        let groups = |layers| Dropouts::new(layers, Grouping::Grouped, 0.0).groups;
        assert_eq!([groups(2), groups(3), groups(4), groups(5)].concat(), [0, 1, 0, 1, 2, 0, 0, 1, 2, 0, 0, 1, 1, 2]);
    }
}
