//! The macros that declare settings. The structs that are filled in, the keys that are accepted and the manual all come
//! from the same lines. Whoever calls them depends on `serde`.

/// One setting of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its key in the table.
    pub name: &'static str,
    /// What it is for.
    pub what: &'static str,
    /// Its type, as the source has it.
    pub kind: &'static str,
}

/// A table of settings, as [`settings_table!`](crate::settings_table) declares it.
pub trait Table {
    /// Its settings, in the order of the source.
    const FIELDS: &'static [Field];
}

/// A table of some settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableDescription {
    /// Its key.
    pub name: &'static str,
    /// What it is for.
    pub what: &'static str,
    /// Its settings.
    pub fields: &'static [Field],
}

/// Declares a table of settings: a struct whose fields have what they are for above them and their default behind them.
#[macro_export]
macro_rules! settings_table {
    (
        $(#[doc = $about:literal])+
        $vis:vis struct $name:ident {
            $($(#[doc = $what:literal])+ $of_field:vis $field:ident: $kind:ty = $default:expr,)*
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq, ::serde::Serialize, ::serde::Deserialize)]
        #[serde(default, deny_unknown_fields)]
        $vis struct $name {
            $($(#[doc = $what])+ $of_field $field: $kind,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl $crate::Table for $name {
            const FIELDS: &'static [$crate::Field] = &[$($crate::Field {
                name: stringify!($field),
                what: concat!($($what),+),
                kind: stringify!($kind),
            },)*];
        }
    };
}

/// Declares all settings of a process: a struct of tables with what they are for above them. One of them may be left open,
/// as the type that is the struct's parameter.
#[macro_export]
macro_rules! settings {
    (
        $(#[doc = $about:literal])+
        $vis:vis struct $name:ident $(<$game:ident = $none:ty>)? {
            $($(#[doc = $what:literal])+ $of_table:vis $table:ident: $kind:ty,)*
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, Default, PartialEq, ::serde::Serialize, ::serde::Deserialize)]
        #[serde(default, deny_unknown_fields)]
        $vis struct $name $(<$game = $none>)? {
            $($(#[doc = $what])+ $of_table $table: $kind,)*
        }

        impl $(<$game: $crate::Table>)? $crate::Described for $name $(<$game>)? {
            const TABLES: &'static [$crate::TableDescription] = &[$($crate::TableDescription {
                name: stringify!($table),
                what: concat!($($what),+),
                fields: <$kind as $crate::Table>::FIELDS,
            },)*];
        }
    };
}

settings_table! {
    /// No settings at all.
    pub struct NoSettings {}
}

/// Settings that can tell what they are, as [`settings!`](crate::settings!) declares them.
pub trait Described {
    /// Its tables, in the order of the source.
    const TABLES: &'static [TableDescription];

    /// Every dotted key.
    fn keys() -> impl Iterator<Item = String> {
        let of = |table: &'static TableDescription| {
            table
                .fields
                .iter()
                .map(move |field| format!("{}.{}", table.name, field.name))
        };
        Self::TABLES.iter().flat_map(of)
    }
}
