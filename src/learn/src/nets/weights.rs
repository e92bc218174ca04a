//! Weights: named tensors that share one buffer.

use tch::{Device, Kind, Tensor, no_grad};
use tuning::Random;

/// Named weights, each a leaf of autograd, all of them views into one flat buffer.
///
/// Whatever treats all weights alike (optimizer, norms, copies) is then one operation on one tensor. An ensemble keeps
/// the weights of all its members side by side: each shape has the members (K) in front.
#[derive(Debug)]
pub struct Weights {
    /// (N), where N is the number of all weights.
    flat: Tensor,
    names: Vec<String>,
    shapes: Vec<Vec<usize>>,
    leaves: Vec<Tensor>,
    members: Option<usize>,
    /// What layers multiply in.
    precision: Kind,
}

impl Weights {
    /// Weights of these names and shapes, all of them 0.
    pub fn zeros(shapes: Vec<(String, Vec<usize>)>, device: Device) -> Self {
        let sizes: Vec<i64> = shapes.iter().map(|(_, shape)| size(shape)).collect();
        let flat = Tensor::zeros([sizes.iter().sum()], (Kind::Float, device));
        let (names, shapes): (Vec<_>, Vec<_>) = shapes.into_iter().unzip();
        let parts = flat.split_with_sizes(&sizes, 0);
        let leaf = |(part, shape): (&Tensor, &Vec<usize>)| {
            let shape: Vec<i64> = shape.iter().map(|n| *n as i64).collect();
            part.view(&shape[..]).detach().set_requires_grad(true)
        };
        let leaves = parts.iter().zip(&shapes).map(leaf).collect();
        Self { flat, names, shapes, leaves, members: None, precision: Kind::Float }
    }

    /// Weights of an ensemble of `members` (K), each of these shapes: (K, …).
    pub(crate) fn ensemble(members: usize, shapes: Vec<(String, Vec<usize>)>, device: Device) -> Self {
        let each = shapes.into_iter().map(|(name, shape)| (name, [&[members], &shape[..]].concat()));
        Self { members: Some(members), ..Self::zeros(each.collect(), device) }
    }

    /// The same weights for layers that multiply in `precision`; the weights themselves stay 32-bit floats.
    pub(crate) fn multiplied_in(self, precision: Kind) -> Self {
        Self { precision, ..self }
    }

    /// What layers multiply in.
    pub(crate) fn precision(&self) -> Kind {
        self.precision
    }

    /// Draws first weights: matrices uniform with variance 2 / (in + out) (Glorot and Bengio 2010) times the square of
    /// `gain` of their name, biases 0, the weights of norms 1. Each member of an ensemble has draws of its own.
    pub fn draw(&mut self, seed: u64, gain: impl Fn(&str) -> f64) {
        let mut values = Vec::with_capacity(self.flat.numel());
        for (place, (name, shape)) in self.names.iter().zip(&self.shapes).enumerate() {
            let (members, shape) = match self.members {
                Some(members) => (members, &shape[1..]),
                None => (1, &shape[..]),
            };
            for member in 0..members as u64 {
                let labels = if member == 0 { vec![place as u64] } else { vec![place as u64, member] };
                let mut random = Random::stream(seed, &labels);
                match shape[..] {
                    [out, input] => {
                        let bound = gain(name) * (6.0 / (out + input) as f64).sqrt();
                        values.extend((0..out * input).map(|_| (bound * (2.0 * random.uniform() - 1.0)) as f32));
                    }
                    _ => {
                        let value = if name.ends_with("bias") { 0.0 } else { 1.0 };
                        values.extend(std::iter::repeat_n(value, shape.iter().product()));
                    }
                }
            }
        }
        self.set(&Tensor::from_slice(&values));
    }

    /// The weight called `name`, sharing its memory.
    ///
    /// # Panics
    /// If there is none of that name.
    pub fn get(&self, name: &str) -> Tensor {
        let place = self.names.iter().position(|known| known == name);
        self.leaves[place.unwrap_or_else(|| panic!("the network has no weight {name}"))].shallow_clone()
    }

    /// All weights as autograd knows them, in the order of their names.
    pub fn leaves(&self) -> &[Tensor] {
        &self.leaves
    }

    /// Names and shapes, in order.
    pub fn shapes(&self) -> impl Iterator<Item = (&str, &[usize])> {
        self.names.iter().map(String::as_str).zip(self.shapes.iter().map(Vec::as_slice))
    }

    /// All weights in one tensor (N), in order, sharing their memory.
    pub fn flat(&self) -> Tensor {
        self.flat.shallow_clone()
    }

    /// Overwrites all weights with `values`, (N).
    pub fn set(&mut self, values: &Tensor) {
        no_grad(|| self.flat.copy_(values));
    }

    /// Overwrites those of `values` (N) that belong to a member of the ensemble with its weights as they are.
    pub(crate) fn keep_member(&self, values: &Tensor, member: usize) {
        let mut from = 0;
        no_grad(|| {
            for shape in &self.shapes {
                let each = size(&shape[1..]);
                let place = from + each * member as i64;
                values.narrow(0, place, each).copy_(&self.flat.narrow(0, place, each));
                from += size(shape);
            }
        });
    }

    /// Gradient of `loss` in one tensor (N), in order.
    ///
    /// # Panics
    /// If `loss` does not depend on every weight.
    pub fn gradient(&self, loss: &Tensor) -> Tensor {
        let gradients = Tensor::run_backward(&[loss], &self.leaves, false, false);
        let gradients: Vec<Tensor> = gradients.iter().map(|gradient| gradient.reshape([-1])).collect();
        Tensor::cat(&gradients, 0)
    }

    /// Name, shape and values of each weight, the last dimension running fastest.
    pub fn export(&self) -> Vec<(String, Vec<usize>, Vec<f32>)> {
        self.cut(&to_vec(&self.flat))
    }

    /// Cuts `values`, one for each weight, into the parts of [`Weights::export`].
    pub(crate) fn cut(&self, values: &[f32]) -> Vec<(String, Vec<usize>, Vec<f32>)> {
        let mut rest = values;
        let named = self.shapes().map(|(name, shape)| {
            let (part, after) = rest.split_at(shape.iter().product());
            rest = after;
            (name.to_owned(), shape.to_vec(), part.to_vec())
        });
        named.collect()
    }
}

fn size(shape: &[usize]) -> i64 {
    shape.iter().product::<usize>() as i64
}

/// The numbers of a tensor of any shape, in row-major order.
pub(crate) fn to_vec(tensor: &Tensor) -> Vec<f32> {
    let flat = tensor.detach().to_device(Device::Cpu).to_kind(Kind::Float).reshape([-1]);
    Vec::try_from(flat).expect("a flat tensor of floats on the CPU is a vector")
}
