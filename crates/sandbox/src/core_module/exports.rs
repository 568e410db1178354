//! Finds the core function behind an export of a component.
//!
//! The component must wrap one core module.

use std::collections::HashMap;
use std::ops::Range;
use wasmparser::{
    CanonicalFunction, CanonicalOption, ComponentAlias, ComponentExternalKind, ComponentInstance,
    ComponentTypeRef, Encoding, ExternalKind, Instance, Parser, Payload,
};

/// A function that a component exports, in terms of its core module.
#[derive(Debug)]
pub(super) struct Lifted<'a> {
    /// Position of the module in the component.
    pub(super) module: Range<usize>,
    /// Names by which the module exports the items that a call uses.
    pub(super) function: &'a str,
    pub(super) memory: &'a str,
    pub(super) realloc: &'a str,
}

/// Finds the function `name` of the exported `interface`.
///
/// It must be one core function of the one module in `component`, which is instantiated once and imports
/// nothing. `component` must be valid; if it has any other form, nothing is found.
pub(super) fn find<'a>(component: &'a [u8], interface: &str, name: &str) -> Option<Lifted<'a>> {
    let read = Component::read(component)?;
    let instance = *read.exports.get(interface)?;
    let Inner::Instance { shim, arguments } = read.instances.get(instance)? else {
        return None;
    };
    let passed = Shim::read(component.get(read.shims.get(*shim)?.clone()?)?)?.passes(name)?;
    let function = arguments.get(passed)?;
    let lift = read.functions.get(*function)?.as_ref()?;
    Some(Lifted {
        module: read.module?,
        function: read.core_functions.get(lift.function)?,
        memory: read.core_memories.get(lift.memory)?,
        realloc: read.core_functions.get(lift.realloc)?,
    })
}

/// Indices of a lifted core function and its options.
#[derive(Clone, Copy)]
struct Lift {
    function: usize,
    memory: usize,
    realloc: usize,
}

/// An instance within a component.
enum Inner<'a> {
    /// An instance of an inner component, with its functions by argument name.
    Instance {
        shim: usize,
        arguments: HashMap<&'a str, usize>,
    },
    /// Any other instance.
    Other,
}

/// The index spaces of a component that wraps one module.
#[derive(Default)]
struct Component<'a> {
    module: Option<Range<usize>>,
    core_instances: usize,
    core_functions: Vec<&'a str>,
    core_memories: Vec<&'a str>,
    functions: Vec<Option<Lift>>,
    shims: Vec<Option<Range<usize>>>,
    instances: Vec<Inner<'a>>,
    /// Exported instances, by name.
    exports: HashMap<&'a str, usize>,
}

impl<'a> Component<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut read = Self::default();
        for payload in top_level(bytes) {
            match payload? {
                Payload::Version {
                    encoding: Encoding::Component,
                    ..
                }
                | Payload::ComponentTypeSection(_)
                | Payload::CustomSection(_)
                | Payload::End(_) => {}
                Payload::ModuleSection {
                    unchecked_range, ..
                } if read.module.is_none() => read.module = Some(unchecked_range),
                Payload::ComponentSection {
                    unchecked_range, ..
                } => read.shims.push(Some(unchecked_range)),
                Payload::InstanceSection(section) => {
                    for instance in section {
                        match instance.ok()? {
                            // The only instance of the only module, which imports nothing.
                            Instance::Instantiate {
                                module_index: 0,
                                args,
                            } if read.core_instances == 0 && args.is_empty() => {
                                read.core_instances = 1;
                            }
                            _ => return None,
                        }
                    }
                }
                Payload::ComponentAliasSection(section) => {
                    for alias in section {
                        read.alias(alias.ok()?)?;
                    }
                }
                Payload::ComponentCanonicalSection(section) => {
                    for function in section {
                        read.functions.push(Some(lift(&function.ok()?)?));
                    }
                }
                Payload::ComponentInstanceSection(section) => {
                    for instance in section {
                        read.instances.push(inner(instance.ok()?));
                    }
                }
                Payload::ComponentExportSection(section) => {
                    for export in section {
                        let export = export.ok()?;
                        read.export(export.name.name, export.kind, export.index)?;
                    }
                }
                _ => return None,
            }
        }
        Some(read)
    }

    fn alias(&mut self, alias: ComponentAlias<'a>) -> Option<()> {
        match alias {
            ComponentAlias::CoreInstanceExport {
                kind,
                instance_index: 0,
                name,
            } => match kind {
                ExternalKind::Func => self.core_functions.push(name),
                ExternalKind::Memory => self.core_memories.push(name),
                _ => return None,
            },
            ComponentAlias::InstanceExport { kind, .. } => match kind {
                ComponentExternalKind::Type => {}
                ComponentExternalKind::Func => self.functions.push(None),
                ComponentExternalKind::Instance => self.instances.push(Inner::Other),
                ComponentExternalKind::Component => self.shims.push(None),
                _ => return None,
            },
            _ => return None,
        }
        Some(())
    }

    /// Records an export, which gets an index of its own.
    fn export(&mut self, name: &'a str, kind: ComponentExternalKind, index: u32) -> Option<()> {
        match kind {
            ComponentExternalKind::Type => {}
            ComponentExternalKind::Func => self.functions.push(None),
            ComponentExternalKind::Component => self.shims.push(None),
            ComponentExternalKind::Instance => {
                self.exports.insert(name, usize::try_from(index).ok()?);
                self.instances.push(Inner::Other);
            }
            _ => return None,
        }
        Some(())
    }
}

fn inner(instance: ComponentInstance<'_>) -> Inner<'_> {
    match instance {
        ComponentInstance::Instantiate {
            component_index,
            args,
        } => Inner::Instance {
            shim: component_index as usize,
            arguments: args
                .iter()
                .filter(|argument| argument.kind == ComponentExternalKind::Func)
                .map(|argument| (argument.name, argument.index as usize))
                .collect(),
        },
        ComponentInstance::FromExports(_) => Inner::Other,
    }
}

/// The parts of a lift whose options are only UTF-8, memory and realloc.
fn lift(function: &CanonicalFunction) -> Option<Lift> {
    let CanonicalFunction::Lift {
        core_func_index,
        options,
        ..
    } = function
    else {
        return None;
    };
    let (mut memory, mut realloc) = (None, None);
    for option in options {
        match option {
            CanonicalOption::UTF8 => {}
            CanonicalOption::Memory(index) => memory = Some(*index as usize),
            CanonicalOption::Realloc(index) => realloc = Some(*index as usize),
            _ => return None,
        }
    }
    Some(Lift {
        function: *core_func_index as usize,
        memory: memory?,
        realloc: realloc?,
    })
}

/// A component that exports functions passed to it, as exported interfaces are built.
#[derive(Default)]
struct Shim<'a> {
    /// Import name of each function.
    functions: Vec<&'a str>,
    exports: HashMap<&'a str, usize>,
}

impl<'a> Shim<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut read = Self::default();
        for payload in top_level(bytes) {
            match payload? {
                Payload::Version {
                    encoding: Encoding::Component,
                    ..
                }
                | Payload::ComponentTypeSection(_)
                | Payload::CustomSection(_)
                | Payload::End(_) => {}
                Payload::ComponentImportSection(section) => {
                    for import in section {
                        let import = import.ok()?;
                        match import.ty {
                            ComponentTypeRef::Func(_) => read.functions.push(import.name.name),
                            ComponentTypeRef::Type(_) => {}
                            _ => return None,
                        }
                    }
                }
                Payload::ComponentExportSection(section) => {
                    for export in section {
                        let export = export.ok()?;
                        match export.kind {
                            ComponentExternalKind::Func => {
                                let index = export.index as usize;
                                read.exports.insert(export.name.name, index);
                                // An exported function gets an index of its own too.
                                let same = read.functions.get(index)?;
                                read.functions.push(same);
                            }
                            ComponentExternalKind::Type => {}
                            _ => return None,
                        }
                    }
                }
                _ => return None,
            }
        }
        Some(read)
    }

    /// Import name of the function that it exports as `name`.
    fn passes(&self, name: &str) -> Option<&'a str> {
        self.functions.get(*self.exports.get(name)?).copied()
    }
}

/// Top-level sections of `bytes`; `None` stands for one that cannot be read.
fn top_level(bytes: &[u8]) -> impl Iterator<Item = Option<Payload<'_>>> {
    let mut depth = 0_usize;
    Parser::new(0).parse_all(bytes).filter_map(move |payload| {
        let Ok(payload) = payload else {
            return Some(None);
        };
        let outermost = depth == 0;
        match payload {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
        outermost.then_some(Some(payload))
    })
}
